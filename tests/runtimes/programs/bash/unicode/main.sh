# Grüße
echo 'héllo, 世界'
