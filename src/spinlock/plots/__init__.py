"""Figures and pages that are drawn from results. This is the only package that imports matplotlib and jinja2.

``theme`` has the colors and the size of text, ``svg`` turns a figure into a part of a page, ``report`` has the figures
of an evaluation, and ``page`` renders pages.
"""
