# What failed tests said: those that the first file names (ctest's LastTestsFailed.log), out of the second (its LastTest.log).
# Told once more at the end of a run, where a reader looks first.
FNR == NR { failed[substr($0, index($0, ":") + 1)]; next }
/^[0-9]+\/[0-9]+ Testing: / {
  sub(/^[0-9]+\/[0-9]+ Testing: /, "")
  left = $0 in failed ? 60 : 0
  following = 0
  if (left) print "== " $0
  next
}
!left { next }
/: Failure$|\*\*\*(Failed|Timeout|Exception)|[Ee]rror: |\[  FAILED/ { following = /: Failure$/ ? 7 : 1 }
following > 0 {
  print "   " substr($0, 1, 300)
  following--
  left--
}
