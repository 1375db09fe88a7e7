"""Reads a table, and draws its columns into plot.png."""

import sys

import matplotlib.pyplot as plt
import pandas as pd

table = pd.read_csv(sys.stdin, index_col="year")
table.plot(title="Rain, in mm")
plt.savefig("plot.png")
print(table.describe().round(1))
