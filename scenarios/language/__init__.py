"""The front end of the scenario language: text in, checked trees and diagnostics out. Knows nothing of clusters."""
