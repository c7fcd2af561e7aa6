"""The parts of the page, a file each; every one of them takes the gathered runs and gives a section."""
