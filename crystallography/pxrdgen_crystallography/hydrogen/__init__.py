"""Hydrogen atoms, unseen by X-rays, placed by geometry into a structure of heavier atoms."""
