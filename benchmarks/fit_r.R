# Fits one mixed model with lme4 or glmmTMB and prints what the benchmark needs as "key value" lines.
# Arguments: package csv formula family nAGQ repeats factors(comma separated)
# CPU time is user + system time of the fitting call alone.
args <- commandArgs(trailingOnly = TRUE)
package <- args[1]
frame <- read.csv(args[2], stringsAsFactors = TRUE)
formula <- as.formula(args[3])
family <- args[4]
points <- as.integer(args[5])
for (name in strsplit(args[7], ",")[[1]]) frame[[name]] <- factor(frame[[name]])
suppressMessages(library(package, character.only = TRUE))

fit_once <- function() {
  if (package == "glmmTMB") return(glmmTMB(formula, data = frame, family = get(family)()))
  if (family == "gaussian") return(lmer(formula, data = frame, REML = FALSE))
  glmer(formula, data = frame, family = get(family)(), nAGQ = points)
}

cpu <- elapsed <- numeric(0)
for (i in seq_len(as.integer(args[6]))) {
  time <- system.time(fit <- suppressWarnings(suppressMessages(fit_once())))
  cpu <- c(cpu, time[["user.self"]] + time[["sys.self"]])
  elapsed <- c(elapsed, time[["elapsed"]])
}

fixed <- fixef(fit)
blocks <- VarCorr(fit)
if (package == "glmmTMB") {
  fixed <- fixed$cond
  blocks <- blocks$cond
}
show <- function(key, values) cat(key, formatC(values, digits = 15, format = "g"), "\n")
cat("version", as.character(packageVersion(package)), "\n")
show("cpu", cpu)
show("elapsed", elapsed)
show("loglike", as.numeric(logLik(fit)))
show("fixed", unname(fixed))
for (group in names(blocks)) {
  block <- unclass(blocks[[group]])
  show(paste0("random:", group), block[lower.tri(block, diag = TRUE)])
}
if (family == "gaussian") show("residual", sigma(fit)^2)
