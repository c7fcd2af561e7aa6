"""The local web page on which faces are labelled.

serving.serve -> app.make_app (Flask) -> curation.labelling.Labelling; static/ is what the browser gets
"""
