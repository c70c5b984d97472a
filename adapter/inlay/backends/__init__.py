"""What runs a model. One file per backend; heavy libraries are imported only inside the file that needs them."""
