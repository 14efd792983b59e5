"""The sample city: division codes and names of Xiangyang with invented geometry."""
