"""From located obstacles to where they will be."""
