"""The app's side of live output: follows what a job writes."""
