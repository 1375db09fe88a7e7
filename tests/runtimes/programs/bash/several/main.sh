. ./lib/words.sh
greet "$(cat lib/name.txt)"
