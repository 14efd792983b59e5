// The planner: sign-in first, then its code, which is large.

import { runStaffPage } from "../staff-page";
import { currentPlace } from "./route";
import "../staff-page.css";

runStaffPage(
  {
    page: "plan",
    role: "planner",
    title: "page.title_plan",
    tour: () => (currentPlace().page === "plan" ? "edit" : "plan"),
  },
  () => import("./planner"),
);
