"""Final metrics of a trained model, and advice on a missed target."""
