# What lowdown writes that man and mandoc complain of: a font that mandoc doesn't know, and a paragraph
# that begins where a section just has.
s/\\fC/\\fB/g
/^\.S[HS]$/ {
    N
    N
    s/\n\.LP$//
}
# Columns of tables are too narrow to be justified.
/^\.TH /a\
.ad l
