"""Language models in this process: replies and likelihoods."""
