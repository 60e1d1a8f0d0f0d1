//! Verdicts and alerts → the serialised twin and its lines. The only room that knows JSON. It never decides.
