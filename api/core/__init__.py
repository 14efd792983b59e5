"""What all routes share: caller, connections, parameters, answers, errors, audit."""
