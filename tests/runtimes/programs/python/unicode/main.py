größe = "héllo, 世界"
print(größe)
