const sum = (...numbers) => numbers.reduce((total, number) => total + number, 0)

test("a sum of nothing is zero", () => expect(sum()).toBe(0))
test("a sum adds what it is given", () => expect(sum(1, 2, 3)).toBe(6))
