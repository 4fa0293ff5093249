"""Language facts that several stages share: words, sentences, numbers. It knows no stage."""
