"""A llama.cpp engine in a child process, with a small model of ours."""
