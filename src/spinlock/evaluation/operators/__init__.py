"""Prediction of operators by methods that do not depend on a trained ANO, with which it is compared."""
