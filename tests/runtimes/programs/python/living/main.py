living, made = (int(mib) * 16 for mib in input().split())
newest = [b""] * living
for number in range(made):
    newest[number % living] = b"x" * 65500
print("done")
