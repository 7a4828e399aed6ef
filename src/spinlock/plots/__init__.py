"""Figures and pages that are drawn from results. This is the only package that imports matplotlib and jinja2.

``report`` has the sections of an evaluation and ``codebooks`` those of a description of codebooks. ``charts`` has the
charts that several sections use, ``theme`` the colors and the size of text. ``svg`` turns a figure into a part of a
page, ``render`` makes the page, and ``files`` makes PNG and SVG files. ``view`` has the types of a section.
"""
