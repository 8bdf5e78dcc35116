# Fits one mixed model with an R package and prints what the benchmark needs as "key value" lines.
# Arguments: package csv formula family nAGQ repeats factors(comma separated)
# CPU time is user + system time of the fitting call and of summary(), standard errors included.
args <- commandArgs(trailingOnly = TRUE)
package <- args[1]
frame <- read.csv(args[2], stringsAsFactors = TRUE)
formula <- as.formula(args[3])
family <- args[4]
points <- as.integer(args[5])
for (name in strsplit(args[7], ",")[[1]]) frame[[name]] <- factor(frame[[name]])
ordinal <- package %in% c("clmm", "clmm2")
home <- if (ordinal) "ordinal" else package
suppressMessages(library(home, character.only = TRUE))
link <- sub("ordinal_", "", family)

fit_clmm2 <- function() {
  # the grouping factor is an argument of its own, a name that is looked up in the data
  bar <- regmatches(args[3], regexpr("\\+ \\(1 \\| \\w+\\)", args[3]))
  call <- bquote(clmm2(
    .(as.formula(sub(bar, "", args[3], fixed = TRUE))),
    random = .(as.name(sub(".*\\| (\\w+)\\)", "\\1", bar))), data = frame,
    link = .(if (link == "logit") "logistic" else link), nAGQ = points, Hess = TRUE
  ))
  eval(call)
}

fit_once <- function() {
  switch(package,
    clmm = clmm(formula, data = frame, link = link, nAGQ = points),
    clmm2 = fit_clmm2(),
    glmmTMB = glmmTMB(
      formula, data = frame,
      family = switch(family, zip = poisson(), nb2 = nbinom2(), gamma = Gamma("log"),
                      beta = beta_family(), get(family)()),
      ziformula = if (family == "zip") ~1 else ~0
    ),
    lme4 = if (family == "gaussian") lmer(formula, data = frame, REML = FALSE) else
      glmer(formula, data = frame, family = get(family)(), nAGQ = points)
  )
}

cpu <- elapsed <- numeric(0)
for (i in seq_len(as.integer(args[6]))) {
  time <- system.time(suppressWarnings(suppressMessages({
    fit <- fit_once()
    capture.output(print(summary(fit)))
  })))
  cpu <- c(cpu, time[["user.self"]] + time[["sys.self"]])
  elapsed <- c(elapsed, time[["elapsed"]])
}

show <- function(key, values) cat(key, formatC(values, digits = 15, format = "g"), "\n")
cat("version", as.character(packageVersion(home)), "\n")
show("cpu", cpu)
show("elapsed", elapsed)
# with nAGQ > 1 lme4 reports log-likelihoods relative to the saturated model
saturated <- package == "lme4" && family == "poisson" && points > 1
y <- if (saturated) model.response(model.frame(fit))
show("loglike", as.numeric(logLik(fit)) + if (saturated) sum(dpois(y, y, log = TRUE)) else 0)
if (ordinal) {
  show("fixed", unname(fit$beta))
  show("thresholds", unname(fit$Theta))
  show("random:group", if (package == "clmm") unlist(fit$ST)^2 else unname(fit$stDev)^2)
} else {
  fixed <- fixef(fit)
  blocks <- VarCorr(fit)
  if (package == "glmmTMB") {
    zero <- fixed$zi
    fixed <- fixed$cond
    blocks <- blocks$cond
  }
  show("fixed", unname(fixed))
  for (group in names(blocks)) {
    block <- unclass(blocks[[group]])
    show(paste0("random:", group), block[lower.tri(block, diag = TRUE)])
  }
  # as this package publishes them: variances, alpha of var = mu + alpha mu^2, precision of beta
  show("response", switch(family, gaussian = , gamma = sigma(fit)^2, nb2 = 1 / sigma(fit),
                          beta = sigma(fit), zip = unname(zero), numeric(0)))
}
