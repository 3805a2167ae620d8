"""What the user sees of a solution: Rietveld plot, HTML report, JSON, terminal, and the folder that holds them.

Modules are imported one by one where they are needed: plots load matplotlib, the atom tables spglib.
"""
