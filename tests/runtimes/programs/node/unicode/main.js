const größe = "héllo, 世界"
console.log(größe)
