"""Heads trained from labelled rows: folds, fits, calibration, measures. Numbers in, a card and arrays out."""
