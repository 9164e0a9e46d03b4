"""Preprocessing: from files to the network's grid; labelings, folds, epsilon."""
