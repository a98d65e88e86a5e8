"""Runtimes: one file for each way to run a model file; the file itself is sent to the device."""
