console.log(Array.from({ length: 1e9 }, (_, at) => at).length);
