"""stub"""

KIND = "power cut"


def cuts(numbers, seed):
    return []
