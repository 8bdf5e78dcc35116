# cython: language_level=3
include "_kernel.pxi"
