"""Dual-space search: phases from maps, atoms from phases, maps from atoms (Oszlanyi & Suto 2004; Sheldrick 1990s)."""
