"""Tests of the scenario language: text in, trees and diagnostics out."""
