"""From tracks in the picture to obstacles on the road."""
