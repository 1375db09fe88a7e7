mkdir out
echo made > out/result.txt
