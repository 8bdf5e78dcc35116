# Writes the csv files of sm_gllamm.datasets with items of latent variables, from R packages, values
# unchanged. Run in sm_gllamm/datasets:  Rscript src/export_latent.R
# Needs lavaan, ltm, mirt, galamm. Names are in lower case; ordered answers count from 0.

write_set <- function(frame, name) {
  utils::write.csv(frame, file.path(name, paste0(name, ".csv")), row.names = FALSE, quote = FALSE)
}

holzinger <- lavaan::HolzingerSwineford1939
write_set(holzinger[c("id", "sex", "ageyr", "agemo", "school", paste0("x", 1:9))], "holzinger")

lsat <- ltm::LSAT
names(lsat) <- paste0("item_", 1:5)
write_set(lsat, "lsat")

science <- as.data.frame(lapply(ltm::Science, function(answer) as.integer(answer) - 1L))
names(science) <- tolower(names(science))
write_set(science, "science")

# A row a pattern of answers; the package has a column of frequencies for each group.
asvab <- mirt::ASVAB
groups <- data.frame(
  column = c("White_Male", "White_Female", "Black_Male", "Black_Female"),
  black = c(0, 0, 1, 1), female = c(0, 1, 0, 1)
)
patterns <- asvab[1:4]
names(patterns) <- paste0("item_", 1:4)
write_set(do.call(rbind, lapply(seq_len(4), function(k) {
  data.frame(patterns, black = groups$black[k], female = groups$female[k],
             freq = asvab[[groups$column[k]]])
})), "asvab")

# The response is a matrix whose second column is the family.
diet <- galamm::diet
write_set(data.frame(diet[c("id", "age", "bus", "item")], y = diet$y[, 1]), "diet")
