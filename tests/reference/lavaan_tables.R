# Writes lavaan_tables.json: the parameter tables that lavaan makes of the models below.
# Run in tests/reference:  Rscript lavaan_tables.R
# Needs lavaan and jsonlite. The defaults are those that sem(), cfa() and growth() give to lavaanify().
# Scales of ordered responses are fixed in the text: the package has no such rows by default.
suppressMessages(library(lavaan))

sem_defaults <- list(
  int.ov.free = TRUE, int.lv.free = FALSE, auto.fix.first = TRUE, auto.fix.single = TRUE,
  auto.var = TRUE, auto.cov.lv.x = TRUE, auto.cov.y = TRUE, auto.th = TRUE, auto.delta = TRUE,
  fixed.x = TRUE, meanstructure = FALSE
)
growth_defaults <- modifyList(sem_defaults, list(int.ov.free = FALSE, int.lv.free = TRUE, meanstructure = TRUE))
bare_defaults <- list(
  int.ov.free = FALSE, int.lv.free = FALSE, auto.fix.first = FALSE, auto.fix.single = FALSE,
  auto.var = FALSE, auto.cov.lv.x = FALSE, auto.cov.y = FALSE, auto.th = FALSE, auto.delta = FALSE,
  fixed.x = TRUE, meanstructure = FALSE
)

numbered <- function(labels, block) {
  numbers <- match(labels, unique(labels[block > 0]))
  ifelse(block == 0, 0L, numbers)
}

cases <- list()
case <- function(id, model, style = "sem", ...) {
  options <- list(...)
  used <- modifyList(switch(style, sem = sem_defaults, growth = growth_defaults, lavaan = bare_defaults), options)
  if (isTRUE(used$std.lv)) used$auto.fix.first <- FALSE
  table <- suppressWarnings(do.call(lavaanify, c(list(model), used)))
  group <- if (is.null(table$group)) as.integer(table$block > 0) else numbered(table$group, table$block)
  level <- if (is.null(table$level)) as.integer(table$block > 0) else numbered(table$level, table$block)
  rows <- lapply(seq_len(nrow(table)), function(i) list(
    table$lhs[i], table$op[i], table$rhs[i], table$user[i], table$block[i], group[i], level[i],
    table$free[i], table$ustart[i], table$label[i], table$exo[i]
  ))
  stopifnot(table$id == seq_len(nrow(table)))
  stopifnot(table$plabel == ifelse(table$block > 0, paste0(".p", table$id, "."), ""))
  cases[[length(cases) + 1]] <<- list(id = id, model = model, style = style, options = options, rows = rows)
}

holzinger <- "
  visual  =~ x1 + x2 + x3
  textual =~ x4 + x5 + x6
  speed   =~ x7 + x8 + x9"
democracy <- "
  # measurement model
    ind60 =~ x1 + x2 + x3
    dem60 =~ y1 + a*y2 + b*y3 + c*y4
    dem65 =~ y5 + a*y6 + b*y7 + c*y8
  # regressions
    dem60 ~ ind60
    dem65 ~ ind60 + dem60
  # residual correlations
    y1 ~~ y5
    y2 ~~ y4 + y6
    y3 ~~ y7
    y4 ~~ y8
    y6 ~~ y8"
twolevel <- "
  level: 1
    fw =~ y1 + y2 + y3
    fw ~ x1 + x2 + x3
  level: 2
    fb =~ y1 + y2 + y3
    fb ~ w1 + w2"
growth <- "
  i =~ 1*t1 + 1*t2 + 1*t3 + 1*t4
  s =~ 0*t1 + 1*t2 + 2*t3 + 3*t4"
two <- "f =~ x1 + x2 + x3
  g =~ y1 + y2 + y3"
grouped <- paste(two, "\n x1 ~~ y1")

case("holzinger", holzinger)
case("holzinger means", holzinger, meanstructure = TRUE)
case("holzinger std.lv", holzinger, std.lv = TRUE)
case("holzinger orthogonal", holzinger, orthogonal = TRUE, meanstructure = TRUE)
case("holzinger groups", holzinger, ngroups = 2, meanstructure = TRUE)
case("holzinger weak", holzinger, ngroups = 2, meanstructure = TRUE, group.equal = "loadings")
case("holzinger strong partial", holzinger, ngroups = 2, meanstructure = TRUE,
     group.equal = c("loadings", "intercepts"), group.partial = c("x2~1", "visual=~x2"))
case("holzinger strict", holzinger, ngroups = 2, meanstructure = TRUE,
     group.equal = c("loadings", "intercepts", "residuals"))
case("holzinger everything equal", holzinger, ngroups = 2, meanstructure = TRUE,
     group.equal = c("loadings", "intercepts", "residuals", "means", "lv.variances", "lv.covariances"))
case("bifactor", paste(holzinger, "\n g =~ x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9"), std.lv = TRUE, orthogonal = TRUE)
case("second order", paste(holzinger, "\n g =~ visual + textual + speed"), meanstructure = TRUE)
case("second order std.lv", paste(holzinger, "\n g =~ visual + textual + speed"), std.lv = TRUE)
case("democracy", democracy)
case("democracy means", democracy, meanstructure = TRUE)
case("democracy free", gsub("[abc]\\*", "", democracy))
case("mimic", "f =~ y1 + y2 + y3 + y4 \n f ~ x1 + x2 + x3 \n y1 ~ x2", meanstructure = TRUE)
case("mimic random covariates", "f =~ y1 + y2 + y3 \n f ~ x1 + x2", fixed.x = FALSE, meanstructure = TRUE)
case("mimic bare", "f =~ 1*y1 + y2 + y3 \n f ~ x \n f ~~ f \n y1 ~~ y1 \n y1 ~ 1", style = "lavaan")
case("mediation", "m ~ a*x \n y ~ b*m + c*x \n indirect := a*b \n total := c + (a * b) \n ratio := indirect/total")
case("path analysis", "y1 ~ x1 + x2 \n y2 ~ x1 + y1 \n y3 ~ x2 \n y4 ~ x2 + y1", meanstructure = TRUE)
case("reciprocal", "y ~ x + u \n x ~ y + v")
case("regression", "y ~ 1 + x + z")
case("regression without intercept", "y ~ 0 + x", meanstructure = TRUE)
case("interaction", "y ~ x + z + x:z + m \n m ~ x")
case("covariates random by the text", "y1 ~ x1 + x2 + x3 \n y2 ~ x3 + w \n x3 ~ 1 \n q ~~ q \n x1 ~~ x2", meanstructure = TRUE)
case("covariate with variance", "y1 ~ x1 + x2 + x3 \n x3 ~~ x3", meanstructure = TRUE)
case("covariances only", "x1 ~~ x2 \n x3 ~~ x3", meanstructure = TRUE)
case("means only", "x1 ~ 1; x2 ~ 1")
case("saturated", "y1 + y2 ~~ y3 + x", meanstructure = TRUE)
case("covariances turned", "y ~~ x1 \n f =~ x1 + x2 + x3 \n f ~~ y \n x3 ~~ f", meanstructure = TRUE)
case("roles", "f =~ x1 + x2 + x3 \n x1 ~ z \n f ~ w \n y ~ f + z \n v ~ f \n u ~ z", meanstructure = TRUE)
case("dependent covariances", "f1 =~ x1 + x2 \n f2 =~ x3 + x4 \n f1 ~ x \n f2 ~ x \n y ~ f1 \n z ~ x", orthogonal = TRUE)
case("higher order with observed", "f =~ x1 + x2 + x3 \n g =~ f + y1")
case("factor of one factor", "f =~ x1 + x2 + x3 \n h =~ f")
case("sole indicators", "f =~ x1 \n g =~ 0.5*y1 + y2 \n h =~ z1 \n z1 ~~ z1 \n f ~ g")
case("shared sole indicator", "f =~ x1 \n g =~ x1 + x2 + x3")
case("two factors at once", "f + g =~ x1 + x2 + x3 \n y1 + y2 ~ a*f + b*g")
case("split statements", "y ~ x \n f =~ y1 \n y ~ w \n f =~ y2; f =~ y3")
case("variances with std.lv", "f =~ x1 + x2 \n g =~ y1 + y2 \n h =~ z1 + z2 \n f ~~ f \n g ~~ a*g \n h ~~ NA*h", std.lv = TRUE)
case("order of covariances", "x2 ~~ y1 \n g =~ x5 + x3 \n x1 ~ f \n z2 ~~ c*x3 \n f =~ x4 + x1 \n y2 ~ g + x3 \n x3 ~~ y2",
     meanstructure = TRUE)
case("modifiers", "f =~ NA*x1 + start(0.5)*x2 + label(\"b\")*x3 + 0.7*x4 + a*x5 + start(.9)*x5 \n f ~~ 1*f")
case("numbers", "y ~ -1*x + 1e-3*z + 1/3*w + (1+2)*k + sqrt(4)*l + exp(1)*m + 2^2*n")
case("start of a marker", "f =~ start(.8)*x1 + x2 + x3 \n g =~ a*y1 + y2")
case("labels", "f =~ x1 + a*x2 + x3 \n g =~ y1 + a*y2 + y3 \n g ~ a*f \n d := a^2; a > 0 \n f ~~ b*f; b == 1; a + 2*b < 9")
case("labels with a value", "f =~ x1 + a*x2 + a*x3 + .5*x4 + a*x4")
case("equal", "f =~ x1 + x2 + equal('f=~x2')*x3 + x4 \n x1 ~ 1 \n x2 ~ 0.5*1 \n x3 ~ NA*1 + start(2)*1")
case("equal before", "y ~ equal(\"y~x\")*z + x")
case("equal groups", "f =~ x1 + x2 + .5*x3 + equal('f=~x2', 'f=~x2')*x4", ngroups = 2, meanstructure = TRUE)
case("constraints", "y ~ b1*x1 + b2*x2 + b3*x3 \n b1 == (b2 + b3)^2 \n b1 > exp(b2 + b3) \n b3 == 2 * b2 \n v := log(b1)")
case("layout", "y ~ 1 + x; z ~ x # comment; w ~ x \n m ~ x ! comment \n v ~ x + \n w \n k ~ \n x \n q ~ x \n + w \n\n # end")
case("growth", growth, style = "growth")
case("growth by sem", paste(growth, "\n i ~ 1 \n s ~ 1 \n t1 + t2 + t3 + t4 ~ 0*1"))
case("growth covariates", paste(growth, "\n i + s ~ x1 + x2 \n t1 ~ c1 \n t2 ~ c2 \n t3 ~ c3 \n t4 ~ c4"), style = "growth")
case("growth equal residuals", paste(growth, "\n t1 ~~ r*t1; t2 ~~ r*t2; t3 ~~ r*t3; t4 ~~ r*t4 \n i ~ 0*1"), style = "growth")
case("growth random covariates", paste(growth, "\n i + s ~ x"), style = "growth", fixed.x = FALSE)
case("growth groups", growth, style = "growth", ngroups = 2, group.equal = "means")
for (kind in c("intercepts", "means", "residuals", "residual.covariances", "lv.variances", "lv.covariances"))
  case(paste("groups", kind), grouped, ngroups = 2, meanstructure = TRUE, group.equal = kind)
case("groups std.lv weak", two, ngroups = 2, meanstructure = TRUE, std.lv = TRUE, group.equal = "loadings")
case("groups std.lv strong", paste(two, "\n g ~ f"), ngroups = 2, meanstructure = TRUE, std.lv = TRUE,
     group.equal = c("loadings", "intercepts"))
case("groups std.lv variances", two, ngroups = 2, meanstructure = TRUE, std.lv = TRUE,
     group.equal = c("loadings", "lv.variances"))
case("groups regressions", "f =~ x1 + x2 + x3 \n f ~ z \n y ~ f \n f ~~ y", ngroups = 2, meanstructure = TRUE,
     group.equal = c("regressions", "lv.covariances"))
case("groups modifiers", "f =~ x1 + c(a,a)*x2 + c(1,NA)*x3 + c(b1,b2)*x4 + start(c(.5,.6))*x5
     f ~~ c(1,2)*f \n x1 ~ c(0,NA)*1", ngroups = 2, meanstructure = TRUE)
case("groups marker", "f =~ c(NA,1)*x1 + x2 + x3 \n f ~~ c(1,NA)*f", ngroups = 2, meanstructure = TRUE)
case("groups labels kept", "f =~ x1 + c(a,b)*x2 + x3 + c*x4 \n x1 ~ 0*1 \n f ~ 1", ngroups = 2, meanstructure = TRUE,
     group.equal = c("loadings", "intercepts"))
case("groups fixed in one", "f =~ x1 + c(1,NA)*x2 + c(NA,.5)*x3", ngroups = 2, meanstructure = TRUE,
     group.equal = "loadings")
case("groups random covariates", "f =~ x1 + x2 + x3 \n f ~ z + w \n z ~~ z", ngroups = 2, meanstructure = TRUE,
     fixed.x = FALSE, group.equal = c("residuals", "intercepts", "regressions", "residual.covariances"))
case("three groups", "f =~ x1 + c(a,b,a)*x2 + x3 + x4", ngroups = 3, meanstructure = TRUE, group.equal = "loadings",
     group.partial = "f=~x4")
case("groups without means", "f =~ x1 + x2 + x3", ngroups = 2, group.equal = c("loadings", "intercepts"))
case("group blocks", "group: a \n f =~ x1 + a*x2 + x3 \n group: b \n f =~ x1 + x2 + a*x4 \n f ~~ 1*f", ngroups = 2,
     meanstructure = TRUE)
case("group blocks equal", "group: 1 \n f =~ x1 + a*x2 + x3 \n group: 2 \n f =~ x1 + x2 + x3 + x4", ngroups = 2,
     meanstructure = TRUE, group.equal = "loadings")
case("twolevel", twolevel, meanstructure = TRUE)
case("twolevel std.lv", twolevel, meanstructure = TRUE, std.lv = TRUE)
case("twolevel labels", "level: within \n fw =~ y1 + a*y2 + b*y3 \n fw ~ x1 + z \n level: between
     fb =~ y1 + a*y2 + b*y3 \n fb ~ w1 + x1 \n y1 ~~ 0*y1 \n ab := a*b", meanstructure = TRUE)
case("twolevel outcomes", "level: 1 \n f =~ y1 + y2 + y3 \n y4 ~ f + x \n y1 ~ 0.5*1 \n level: 2 \n f =~ y1 + y2 + y3
     y1 ~~ 0*y1 \n y4 ~ f \n f ~ 1 \n y1 ~ a*1", meanstructure = TRUE)
case("twolevel saturated between", "level: 1 \n f =~ y1 + y2 + y3 \n level: 2 \n y1 ~~ y2 + y3 \n y2 ~~ y3", meanstructure = TRUE)
case("twolevel path", "level: 1 \n y2 ~~ y1 \n y1 ~ x \n level: 2 \n y2 ~~ y1 \n y3 ~ y1 \n y1 ~~ y3", meanstructure = TRUE)
case("twolevel random covariates", "level: 1 \n f =~ y1 + y2 + y3 \n z1 ~ x1 \n level: 2 \n g =~ y1 + y2 + y3
     g ~ w \n z2 ~ g", meanstructure = TRUE, fixed.x = FALSE)
case("twolevel means in the text", "level: 1 \n z2 ~ 1 \n x1 ~ start(1.1)*1 \n y ~ x1 + z2 \n level: 2 \n y ~ x1 \n y ~ 1
     z2 ~~ x1", meanstructure = TRUE)
case("twolevel covariances turned", "level: 1 \n x1 ~ z1 + z2 \n y2 ~~ y1 \n w ~ y2 \n level: 2 \n y2 ~~ f \n f =~ x3 + x2
     z1 ~~ x3 \n q ~~ z1 \n x2 ~~ w", meanstructure = TRUE)
case("twolevel groups", "group: 1 \n level: 1 \n f =~ y1 + y2 + y3 \n level: 2 \n f =~ y1 + y2 + y3
     group: 2 \n level: 1 \n f =~ y1 + y2 + y3 \n level: 2 \n f =~ y1 + y2 + y3", ngroups = 2, meanstructure = TRUE,
     group.equal = "loadings")
case("thresholds", "f =~ u1 + u2 + y \n u1 | a*t1 + .5*t2 \n u2 | t1 \n u1 ~~ u2 \n u1 ~*~ 1*u1 \n u2 ~*~ 1*u2", meanstructure = TRUE)
case("thresholds regression", "u1 | t1 + t2 \n u2 | t1 \n u1 ~ x \n u2 ~ u1 \n u1 ~*~ 1*u1 \n u2 ~*~ 1*u2", meanstructure = TRUE)
case("thresholds scale", "f =~ u1 + u2 + y \n u1 | t1 + t2 \n u2 | t1 \n u1 ~ 1 \n u2 ~~ u2 \n u1 ~*~ u1 \n u2 ~*~ 1*u2", meanstructure = TRUE)
case("thresholds groups", "f =~ u1 + u2 + y \n u1 | t1 + t2 \n u2 | t1 \n u1 ~*~ 1*u1 \n u2 ~*~ 1*u2", meanstructure = TRUE, ngroups = 2,
     group.equal = c("thresholds", "loadings", "intercepts"))
case("thresholds groups alone", "f =~ u1 + u2 + y \n u1 | t1 + t2 \n u2 | t1 \n u1 ~*~ 1*u1 \n u2 ~*~ 1*u2", meanstructure = TRUE, ngroups = 2,
     group.equal = "thresholds")

lines <- vapply(cases, function(one) {
  if (!length(one$options)) one$options <- setNames(list(), character())
  as.character(jsonlite::toJSON(one, auto_unbox = TRUE, na = "null", null = "null", digits = NA))
}, "")
software <- paste0(R.version.string, ", lavaan ", packageVersion("lavaan"), " (lavaanify)")
writeLines(c(
  "{", paste0(" \"software\": \"", software, "\","),
  " \"columns\": [\"lhs\", \"op\", \"rhs\", \"user\", \"block\", \"group\", \"level\", \"free\", \"ustart\", \"label\", \"exo\"],",
  " \"cases\": [", paste0("  ", lines, c(rep(",", length(lines) - 1), "")), " ]", "}"
), "lavaan_tables.json")
cat(length(cases), "tables\n")
