"""Networks without a language model that do one of our tests, so that ours have something to be held against."""
