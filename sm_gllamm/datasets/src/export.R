# Writes the csv files of sm_gllamm.datasets that come from R packages, values unchanged.
# Run in sm_gllamm/datasets:  Rscript src/export.R
# Needs MASS, HSAUR3, lme4, mlmRev, nlme, ordinal, glmmTMB, Ecdat, survival, AER. Binary outcomes are
# recoded to 0/1; wk2 and ch1, ch2, ch3p are added; crackers is reshaped to long form.

write_set <- function(frame, name) {
  utils::write.csv(frame, file.path(name, paste0(name, ".csv")), row.names = FALSE)
}
plain <- function(frame) {
  factors <- vapply(frame, is.factor, logical(1))
  frame[factors] <- lapply(frame[factors], as.character)
  as.data.frame(frame)
}

bacteria <- MASS::bacteria
bacteria$y <- as.integer(bacteria$y == "y")
bacteria$wk2 <- as.integer(bacteria$week > 2)
write_set(plain(bacteria), "bacteria")

write_set(plain(MASS::epil), "epil")

toenail <- HSAUR3::toenail
write_set(data.frame(
  patient = as.integer(as.character(toenail$patientID)),
  outcome = as.integer(toenail$outcome == "moderate or severe"),
  treatment = as.integer(toenail$treatment == "terbinafine"),
  month = toenail$time,
  visit = as.integer(toenail$visit)
), "toenail")

write_set(plain(lme4::cbpp), "cbpp")
write_set(plain(lme4::grouseticks), "grouseticks")
write_set(plain(lme4::sleepstudy), "sleepstudy")

verbagg <- lme4::VerbAgg
verbagg$y <- as.integer(verbagg$r2 == "Y")
write_set(plain(verbagg), "verbagg")

contraception <- mlmRev::Contraception
contraception$use <- as.integer(contraception$use == "Y")
contraception$urban <- as.integer(contraception$urban == "Y")
contraception$ch1 <- as.integer(contraception$livch == "1")
contraception$ch2 <- as.integer(contraception$livch == "2")
contraception$ch3p <- as.integer(contraception$livch == "3+")
write_set(plain(contraception), "contraception")

gu_immun <- mlmRev::guImmun
gu_immun$immun <- as.integer(gu_immun$immun == "Y")
write_set(plain(gu_immun), "gu_immun")

write_set(plain(nlme::Oxide), "oxide")
write_set(plain(nlme::Orthodont), "orthodont")

wine <- ordinal::wine
wine$rating <- as.integer(as.character(wine$rating))
write_set(plain(wine), "wine")

owls <- glmmTMB::Owls
owls$logBroodSize <- NULL
write_set(plain(owls), "owls")

cracker <- Ecdat::Cracker[Ecdat::Cracker$id <= 100, ]
occasion <- stats::ave(cracker$id, cracker$id, FUN = seq_along)
brands <- c("sunshine", "kleebler", "nabisco", "private")
crackers <- do.call(rbind, lapply(brands, function(brand) {
  data.frame(
    id = cracker$id,
    occasion = occasion,
    brand = if (brand == "kleebler") "keebler" else brand,
    choice = as.integer(cracker$choice == brand),
    display = cracker[[paste0("disp.", brand)]],
    feature = cracker[[paste0("feat.", brand)]],
    price = round(cracker[[paste0("price.", brand)]]) / 100
  )
}))
position <- match(crackers$brand, c("sunshine", "keebler", "nabisco", "private"))
write_set(crackers[order(crackers$id, crackers$occasion, position), ], "crackers")

write_set(plain(survival::retinopathy), "retinopathy")

kidney <- survival::kidney
kidney$sex <- ifelse(kidney$sex == 1, "male", "female")
kidney$frail <- NULL
write_set(plain(kidney), "kidney")

data("PSID1976", package = "AER")
mroz <- PSID1976[c(
  "participation", "wage", "age", "education", "experience", "youngkids", "oldkids", "hwage",
  "fincome", "city"
)]
mroz$participation <- as.integer(mroz$participation == "yes")
mroz$city <- as.integer(mroz$city == "yes")
write_set(mroz, "mroz")
