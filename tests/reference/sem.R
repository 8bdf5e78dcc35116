# Writes sem.json: what lavaan says of the models below.
# Run in tests/reference:  Rscript sem.R
# Needs lavaan and jsonlite. Convergence criteria are tightened; everything else is lavaan's default unless said.
suppressMessages({library(lavaan); library(jsonlite)})

data_of <- function(name) {
  d <- read.csv(file.path("data", paste0(sub("_holes", "", name), ".csv")))
  if (name == "twolevel_holes") {
    i <- seq_len(nrow(d)) - 1
    d$y1[i %% 7 == 0] <- NA
    d$y2[i %% 5 == 1] <- NA
    d$y3[i %% 11 == 2] <- NA
    d$w2[d$cluster %% 9 == 4] <- NA
  }
  if (name == "holzinger") {
    d$female <- d$sex - 1
    d$age <- d$ageyr + d$agemo / 12
    d$school <- rep(c("Pasteur", "Grant-White"), c(156, 145))
  }
  d
}
tight <- function(tol) list(control = list(rel.tol = tol, iter.max = 5000, eval.max = 20000), em.h1.tol = 1e-10, em.h1.iter.max = 20000)
measures <- c("npar", "logl", "unrestricted.logl", "chisq", "df", "pvalue", "baseline.chisq", "baseline.df", "baseline.pvalue",
  "cfi", "tli", "nnfi", "rfi", "nfi", "pnfi", "ifi", "rni", "aic", "bic", "bic2", "rmsea", "rmsea.ci.lower", "rmsea.ci.upper",
  "rmsea.pvalue", "rmsea.notclose.pvalue", "rmr", "srmr", "crmr", "gfi", "agfi", "mfi", "cn_05", "ecvi", "srmr_mplus",
  "chisq.scaled", "df.scaled", "pvalue.scaled", "chisq.scaling.factor", "baseline.chisq.scaled", "baseline.chisq.scaling.factor",
  "cfi.scaled", "tli.scaled", "cfi.robust", "tli.robust", "rmsea.scaled", "rmsea.robust", "rmsea.ci.lower.robust",
  "rmsea.ci.upper.robust", "scaling.factor.h1", "scaling.factor.h0", "srmr_within", "srmr_between")

named <- function(x) as.list(setNames(as.numeric(x), names(x)))
cases <- list()
case <- function(id, fun, model, data, ..., mods = FALSE, scores = FALSE, releases = FALSE) {
  d <- data_of(data)
  for (tol in c(1e-14, 1e-13, 1e-12, 1e-11, 1e-10)) {
    fit <- suppressWarnings(do.call(fun, c(list(model, data = d), list(...), tight(tol))))
    if (lavInspect(fit, "converged")) break
  }
  stopifnot(lavInspect(fit, "converged"))
  cat(id, tol, "\n")
  fm <- suppressWarnings(fitMeasures(fit))
  fm <- fm[intersect(measures, names(fm))]
  out <- list(id = id, fun = fun, model = model, data = data, options = list(...), fit = named(fm))
  pe <- parameterEstimates(fit, remove.eq = FALSE, remove.system.eq = FALSE, remove.ineq = FALSE)
  keep <- pe$op %in% c("=~", "~", "~~", "~1", ":=")
  pe <- pe[keep, ]
  col <- function(n, default) if (is.null(pe[[n]])) rep(default, nrow(pe)) else pe[[n]]
  ss <- standardizedSolution(fit)
  ss <- ss[ss$op %in% c("=~", "~", "~~", "~1", ":="), ]
  lv <- standardizedSolution(fit, type = "std.lv")
  lv <- lv[lv$op %in% c("=~", "~", "~~", "~1", ":="), ]
  stopifnot(nrow(ss) == nrow(pe))
  out$params <- lapply(seq_len(nrow(pe)), function(i) list(pe$lhs[i], pe$op[i], pe$rhs[i], col("group", 1)[i], col("level", 1)[i],
    pe$est[i], pe$se[i], ss$est.std[i], ss$se[i], lv$est.std[i], lv$se[i]))
  if (mods) {
    mi <- modindices(fit)
    g <- if (is.null(mi$group)) rep(1, nrow(mi)) else mi$group
    out$mods <- lapply(seq_len(nrow(mi)), function(i) list(mi$lhs[i], mi$op[i], mi$rhs[i], g[i], mi$mi[i], mi$epc[i], mi$sepc.lv[i], mi$sepc.all[i]))
  }
  if (scores) {
    first <- function(x) { if (is.list(x)) x <- x[[1]]; lapply(1:4, function(i) as.numeric(x[i, ])) }
    if ("cluster" %in% names(list(...))) {
      out$row_regression <- first(lavPredict(fit))
      out$cluster_regression <- first(lavPredict(fit, level = 2))
    } else {
      out$regression <- first(lavPredict(fit))
      out$bartlett <- first(lavPredict(fit, method = "Bartlett"))
      se <- try(attr(lavPredict(fit, se = "standard"), "se")[[1]], silent = TRUE)
      if (!inherits(se, "try-error")) out$regression_se <- as.numeric(se[1, ])
    }
  }
  if (releases) {
    tests <- lavTestScore(fit)
    out$releases <- as.numeric(tests$uni$X2)
    out$release_all <- as.numeric(tests$test[c("X2", "df")])
  }
  cases[[length(cases) + 1]] <<- out
}

three <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
mimic <- paste0(three, "\nvisual ~ female + age\ntextual ~ female + age\nspeed ~ female + age\nx3 ~ female")
democracy <- "ind60 =~ x1 + x2 + x3\ndem60 =~ y1 + y2 + y3 + y4\ndem65 =~ y5 + y6 + y7 + y8\ndem60 ~ ind60\ndem65 ~ ind60 + dem60\ny1 ~~ y5\ny2 ~~ y4 + y6\ny3 ~~ y7\ny4 ~~ y8\ny6 ~~ y8"
equal <- "ind60 =~ x1 + x2 + x3\ndem60 =~ y1 + a*y2 + b*y3 + c*y4\ndem65 =~ y5 + a*y6 + b*y7 + c*y8\ndem60 ~ p*ind60\ndem65 ~ q*ind60 + r*dem60\ny1 ~~ y5\ny2 ~~ y4 + y6\ny3 ~~ y7\ny4 ~~ y8\ny6 ~~ y8\nindirect := p*r\ntotal := q + p*r"
growth_model <- "i =~ 1*t1 + 1*t2 + 1*t3 + 1*t4\ns =~ 0*t1 + 1*t2 + 2*t3 + 3*t4\ni ~ x1 + x2\ns ~ x1 + x2\nt1 ~ c1\nt2 ~ c2\nt3 ~ c3\nt4 ~ c4"
bound <- paste0(three, "\nvisual ~~ a*textual\nvisual ~~ b*speed\na == 1.2*b")
curved <- "visual =~ x1 + a*x2 + b*x3\ntextual =~ x4 + x5 + x6\na == exp(b) - 1.2"
second <- paste0(three, "\ng =~ visual + textual + speed")

case("cfa", "cfa", three, "holzinger", mods = TRUE, scores = TRUE)
case("cfa_means", "cfa", three, "holzinger", meanstructure = TRUE)
case("cfa_std_lv", "cfa", three, "holzinger", std.lv = TRUE)
case("cfa_robust", "cfa", three, "holzinger", estimator = "MLR")
case("cfa_orthogonal", "cfa", three, "holzinger", orthogonal = TRUE, mods = TRUE)
case("mimic", "sem", mimic, "holzinger", mods = TRUE, scores = TRUE)
case("mimic_robust", "sem", mimic, "holzinger", estimator = "MLR")
case("mimic_random_x", "sem", mimic, "holzinger", fixed.x = FALSE)
case("second_order", "cfa", second, "holzinger", scores = TRUE)
case("bound", "cfa", bound, "holzinger", mods = TRUE, releases = TRUE)
case("curved", "cfa", curved, "holzinger", releases = TRUE)
case("fiml", "cfa", three, "holzinger_missing", missing = "ml", scores = TRUE)
case("fiml_robust", "cfa", three, "holzinger_missing", missing = "ml", estimator = "MLR")
case("democracy", "sem", democracy, "politicaldemocracy", mods = TRUE, scores = TRUE)
case("democracy_equal", "sem", equal, "politicaldemocracy", releases = TRUE)
case("democracy_equal_robust", "sem", equal, "politicaldemocracy", estimator = "MLR")
case("growth", "growth", growth_model, "demogrowth", scores = TRUE)
for (stage in list(character(0), "loadings", c("loadings", "intercepts"), c("loadings", "intercepts", "residuals"))) {
  id <- paste(c("groups", stage), collapse = "_")
  if (length(stage)) case(id, "cfa", three, "holzinger", group = "school", group.equal = stage, mods = length(stage) == 1, releases = TRUE)
  else case(id, "cfa", three, "holzinger", group = "school", mods = TRUE, scores = TRUE)
}
case("groups_robust", "cfa", three, "holzinger", group = "school", group.equal = "loadings", estimator = "MLR")
case("groups_std_lv", "cfa", three, "holzinger", group = "school", group.equal = c("loadings", "intercepts"), std.lv = TRUE)


two <- "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1 + x2 + x3\nlevel: 2\nfb =~ y1 + y2 + y3\nfb ~ w1 + w2"
tied <- "level: 1\nfw =~ y1 + a*y2 + b*y3\nfw ~ x1 + x2 + x3\nlevel: 2\nfb =~ y1 + a*y2 + b*y3\nfb ~ w1 + w2\ny1 ~~ 0*y1\ny2 ~~ 0*y2\ny3 ~~ 0*y3"
paths <- "level: 1\ny1 ~ a*y2 + x1\ny2 ~ b*x1 + x2\nlevel: 2\ny1 ~ y2 + w1\ny2 ~ c*w1\nindirect := a*b"
case("twolevel", "sem", two, "twolevel", cluster = "cluster", scores = TRUE)
case("twolevel_robust", "sem", two, "twolevel", cluster = "cluster", estimator = "MLR")
case("twolevel_equal", "sem", tied, "twolevel", cluster = "cluster", releases = TRUE)
case("twolevel_paths", "sem", paths, "twolevel", cluster = "cluster")
case("cluster_robust", "cfa", "f =~ y1 + y2 + y3", "twolevel", cluster = "cluster")

# missing values at both levels, and covariates with parts at both
case("twolevel_fiml", "sem", "level: 1\n fw =~ y1 + y2 + y3\n fw ~ x1 + x2 + x3\nlevel: 2\n fb =~ y1 + y2 + y3\n fb ~ w1\n w2 ~ fb",
  "twolevel_holes", cluster = "cluster", missing = "ml")
case("twolevel_both", "sem", "level: 1\n y1 ~ y3 + x1\n y2 ~ y3\n y1 ~~ y2\nlevel: 2\n y1 ~ y3 + w1\n y2 ~ y3\n y1 ~~ y2", "twolevel",
  cluster = "cluster")

write_json(list(cases = cases), "sem.json", auto_unbox = TRUE, digits = 12, na = "null")
