"""Results in the backend: how they are encoded, stored, waited for and read back."""
