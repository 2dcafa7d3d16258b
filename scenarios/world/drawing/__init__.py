"""Pictures of the world: meshes and scenery, rasteriser, light, weather and lens."""
