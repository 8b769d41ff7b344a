"""Pretrained models: their weights, their layers, and the network cut into segments at the layers' borders."""
