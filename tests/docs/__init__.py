"""Tests of the pages: they must build, and everything they show must be right."""
