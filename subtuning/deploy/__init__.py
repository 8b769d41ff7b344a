"""The trained tensors of a run become a model that timm loads as it is, and a model says which class images are."""
