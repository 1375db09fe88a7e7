#include <stdio.h>

int main(void) {
    int number, total = 0;
    while (scanf("%d", &number) == 1) total += number;
    printf("%d\n", total);
}
