# Writes the reference of correlation_test.go: python3 gen_correlation.py > scipy.json
import json
import numpy
import scipy
from scipy import stats

random = numpy.random.default_rng(20200328)
cases = []
for n, ties, noise in [(3, None, 0.1), (4, 1, 1.0), (11, None, 1.0), (30, 1, 2.0), (100, 0, 1.0), (257, 1, 0.3), (400, 2, 5.0)]:
    x = random.normal(60, 10, n)
    y = x / 3 + noise * random.normal(0, 3, n)
    if ties is not None:
        x, y = numpy.round(x, ties), numpy.round(y / 2, ties)
    if n == 11:
        y = -y * 1e-9 + 1
    line = stats.linregress(x, y)
    case = {
        "x": x.tolist(), "y": y.tolist(),
        "spearman": stats.spearmanr(x, y)[0], "kendall_tau_b": stats.kendalltau(x, y)[0], "pearson": stats.pearsonr(x, y)[0],
        "slope": line.slope, "intercept": line.intercept,
    }
    if n >= 100:
        interval = stats.bootstrap(
            (x, y), lambda a, b: stats.spearmanr(a, b)[0], paired=True, vectorized=False, n_resamples=4000,
            confidence_level=0.9, method="percentile", random_state=1).confidence_interval
        case["interval"] = [interval.low, interval.high]
    cases.append(case)
print(json.dumps({"scipy": scipy.__version__, "numpy": numpy.__version__, "cases": cases}))
