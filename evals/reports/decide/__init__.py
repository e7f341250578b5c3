"""What a night's figures mean: rates against baselines and labels, verdicts, shifts, resistance.

Pure: the same rows in any order give the same verdicts. How a body shows them is `sections`'.
"""
