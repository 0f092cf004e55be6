"""stub"""
def explore(run, statement): raise NotImplementedError
def reach(run, statement): raise NotImplementedError
